<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Exceptions;

/** 409 that passes: the session is not connected yet, or the same call is still being answered. */
final class NotReadyException extends OpenWaTransientException
{
}
