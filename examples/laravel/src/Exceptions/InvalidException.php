<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Exceptions;

/** 422: the content is refused (`invalid_recipient`, `opted_out`, `never_sendable`, `idempotency_mismatch` …). */
final class InvalidException extends OpenWaPermanentException
{
}
