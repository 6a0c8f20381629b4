<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** The manager is being stopped. (`manager.stopping`) */
final class ManagerStopping extends OpenWaEvent
{
}
