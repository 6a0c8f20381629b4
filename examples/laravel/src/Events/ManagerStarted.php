<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** The manager was started. (`manager.started`) */
final class ManagerStarted extends OpenWaEvent
{
}
