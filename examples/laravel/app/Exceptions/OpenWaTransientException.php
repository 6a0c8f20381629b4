<?php

namespace App\Exceptions;

/** Ask again, after `retryAfterS` if it is known. */
class OpenWaTransientException extends OpenWaException
{
}
