<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** Somebody left a group. (`group.leave`) */
final class GroupLeave extends EngineEvent
{
}
