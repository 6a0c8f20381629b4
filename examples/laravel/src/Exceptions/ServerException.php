<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Exceptions;

/** 5xx or 408: the manager, or the engine behind it, is not able to just now. */
final class ServerException extends OpenWaTransientException
{
}
