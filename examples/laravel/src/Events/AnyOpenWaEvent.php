<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** What every event implements: `Event::listen(AnyOpenWaEvent::class, …)` hears them all (Laravel knows no parent classes). */
interface AnyOpenWaEvent
{
}
