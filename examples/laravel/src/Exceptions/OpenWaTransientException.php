<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Exceptions;

/** Ask again, after `retryAfterS` if it is known: the same call, with the same key, does what was wanted. */
class OpenWaTransientException extends OpenWaException
{
}
