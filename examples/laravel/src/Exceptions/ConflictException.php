<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Exceptions;

/** 409: not in the state it is in (`illegal_transition`, `session_exists`, `body_gone` …). */
final class ConflictException extends OpenWaPermanentException
{
}
