<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Exceptions;

/** 403: the key is good, but its role is not enough; the message names the role. */
final class ForbiddenException extends OpenWaPermanentException
{
}
