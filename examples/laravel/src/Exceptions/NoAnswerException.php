<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Exceptions;

/** No connection, a broken line, or no answer in time. */
final class NoAnswerException extends OpenWaTransientException
{
}
