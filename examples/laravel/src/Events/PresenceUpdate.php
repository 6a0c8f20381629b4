<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** Somebody is typing, online or away. (`presence.update`) */
final class PresenceUpdate extends EngineEvent
{
}
