<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Exceptions;

/** 400: the manager, or WhatsApp through the gateway, cannot make sense of the call, or refuses this recipient. */
final class BadRequestException extends OpenWaPermanentException
{
}
