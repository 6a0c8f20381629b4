<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Exceptions;

/** No answer, or a 5xx, to a call without a key: it may have been carried out. A second one could send a second message. */
final class OutcomeUnknownException extends OpenWaPermanentException
{
}
