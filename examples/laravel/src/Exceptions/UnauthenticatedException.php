<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Exceptions;

/** 401: `OPENWA_API_KEY` is missing, wrong, expired or revoked. */
final class UnauthenticatedException extends OpenWaPermanentException
{
}
