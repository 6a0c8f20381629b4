<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** Somebody came into a group. (`group.join`) */
final class GroupJoin extends EngineEvent
{
}
