<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Exceptions;

/** 429 that lasts: the quota of the month, or the first contacts of the day, are used up. */
final class QuotaExceededException extends OpenWaPermanentException
{
}
