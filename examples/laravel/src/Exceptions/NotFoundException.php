<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Exceptions;

/** 404: there is no such session, message or batch, or the key is not for it. */
final class NotFoundException extends OpenWaPermanentException
{
}
