<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** A call was taken. (`call.accepted`) */
final class CallAccepted extends EngineEvent
{
}
