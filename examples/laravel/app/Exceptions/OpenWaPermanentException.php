<?php

namespace App\Exceptions;

/** Do not ask again by yourself: `errorCode` says why. */
class OpenWaPermanentException extends OpenWaException
{
}
