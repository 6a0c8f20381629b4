<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** A call was refused. (`call.rejected`) */
final class CallRejected extends EngineEvent
{
}
