<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** Nobody took a call. (`call.missed`) */
final class CallMissed extends EngineEvent
{
}
