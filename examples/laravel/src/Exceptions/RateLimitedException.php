<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Exceptions;

/** 429 that passes: too many calls, or too much waits already. */
final class RateLimitedException extends OpenWaTransientException
{
}
