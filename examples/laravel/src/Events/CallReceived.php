<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** Somebody calls. (`call.received`) */
final class CallReceived extends EngineEvent
{
}
