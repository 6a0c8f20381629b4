<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Events;

/** An event of a type that this package does not know: all of it is in `payload`. */
final class UnknownEvent extends OpenWaEvent
{
}
