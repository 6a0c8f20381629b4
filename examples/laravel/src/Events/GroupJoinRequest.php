<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** Somebody asks to be let into a group. (`group.join_request`) */
final class GroupJoinRequest extends EngineEvent
{
}
