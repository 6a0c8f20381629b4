<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** A group was changed. (`group.update`) */
final class GroupUpdate extends EngineEvent
{
}
