<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** A contact posted a status. (`status.received`) */
final class StatusReceived extends EngineEvent
{
}
