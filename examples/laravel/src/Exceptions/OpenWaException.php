<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Exceptions;

use Illuminate\Http\Client\Response;
use Illuminate\Http\JsonResponse;
use RuntimeException;
use Throwable;

/**
 * The manager refused, or did not answer. Catch a class by what happened (`NotFoundException`, `RateLimitedException` …) or by what to do:
 *
 * OpenWaTransientException: the same call again, with the same key, does what was wanted. OpenWaPermanentException: it
 * never will, or nobody knows whether it was done already (OutcomeUnknownException), so that a second one could send a
 * second message. `status` is 0 where there was no answer.
 */
abstract class OpenWaException extends RuntimeException
{
    public const OUTCOME_UNKNOWN = 'outcome_unknown';

    /** Answers that pass by themselves, but not today. */
    private const LASTING = ['quota_exceeded', 'first_contact_cap'];

    private const PERMANENT = [
        400 => BadRequestException::class,
        401 => UnauthenticatedException::class,
        403 => ForbiddenException::class,
        404 => NotFoundException::class,
        409 => ConflictException::class,
        422 => InvalidException::class,
        429 => QuotaExceededException::class,
    ];

    private const TRANSIENT = [409 => NotReadyException::class, 429 => RateLimitedException::class];

    final public function __construct(
        string $message,
        public int $status = 0,
        public ?string $errorCode = null,
        public ?int $retryAfterS = null,
        ?Throwable $previous = null,
    ) {
        parent::__construct($message, $status, $previous);
    }

    /** The exception for an answer; `isRepeatable`: the same call a second time does nothing twice. */
    public static function of(Response $answer, bool $isRepeatable): self
    {
        $problem = (array) $answer->json();
        $status = $answer->status();
        $code = is_string($problem['code'] ?? null) ? $problem['code'] : null;
        $said = $problem['detail'] ?? $problem['message'] ?? $answer->body();
        if ($answer->redirect()) {
            $said = 'OPENWA_BASE_URL redirects, and is not followed. Write the address it leads to: '.$answer->header('Location');
        }
        $message = trim("$status $code").': '.substr(is_string($said) ? $said : (string) json_encode($said), 0, 1000);
        $wait = $problem['retry_after_s'] ?? $problem['retryAfterSeconds'] ?? $answer->header('Retry-After');
        $waitS = is_numeric($wait) ? (int) ceil((float) $wait) : null;
        if (self::isTransient($status, $code, $waitS, $isRepeatable)) {
            $class = self::TRANSIENT[$status] ?? ServerException::class;
        } elseif ($status >= 500 && ! $isRepeatable) {
            [$class, $code] = [OutcomeUnknownException::class, self::OUTCOME_UNKNOWN];
        } else {
            $class = self::PERMANENT[$status] ?? OpenWaPermanentException::class;
        }

        return new $class($message, $status, $code, $waitS);
    }

    /** The exception for no answer: a broken line, a manager that is not there, a wait that was too long. */
    public static function ofSilence(Throwable $trouble, bool $isRepeatable): self
    {
        return $isRepeatable
            ? new NoAnswerException($trouble->getMessage(), 0, 'no_answer', null, $trouble)
            : new OutcomeUnknownException($trouble->getMessage(), 0, self::OUTCOME_UNKNOWN, null, $trouble);
    }

    /** What a page that called us gets, unless it catches this: Laravel asks. */
    public function render(): JsonResponse
    {
        $isCallers = in_array($this->status, [404, 409, 413, 422, 429], true);
        $status = $this instanceof OpenWaTransientException ? 503 : ($isCallers ? $this->status : 502);

        // Other words hold the manager's address, or speak of the app's key: they are for the log.
        $isForCallers = $status < 500 || config('app.debug');
        $hidden = $status === 503 ? 'WhatsApp cannot be reached now. Please try again later.' : 'WhatsApp cannot be used now.';

        return new JsonResponse(['message' => $isForCallers ? $this->getMessage() : $hidden, 'code' => $this->errorCode], $status);
    }

    private static function isTransient(int $status, ?string $code, ?int $waitS, bool $isRepeatable): bool
    {
        if (in_array(strtolower((string) $code), self::LASTING, true)) {
            return false;
        }
        if ($status === 409) { // a session that is not connected yet, or the same call that is still being answered
            return $code === null || $code === 'IDEMPOTENCY_KEY_IN_PROGRESS';
        }
        $isUndone = $status === 429 || $status === 507 || ($status === 503 && $waitS !== null);

        return $isUndone || ($isRepeatable && ($status === 408 || $status >= 500));
    }
}
