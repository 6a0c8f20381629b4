<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Exceptions;

/** Do not ask again by yourself: `errorCode` says why. */
class OpenWaPermanentException extends OpenWaException
{
}
