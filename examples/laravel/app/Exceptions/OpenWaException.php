<?php

namespace App\Exceptions;

use Illuminate\Http\Client\Response;
use Illuminate\Http\JsonResponse;
use RuntimeException;
use Throwable;

/**
 * The manager refused, or did not answer.
 *
 * Transient: the same call again, with the same key, does what was wanted. Permanent: it never will, or nobody knows
 * whether it was done already (`outcome_unknown`), so that a second one could send a second message.
 */
class OpenWaException extends RuntimeException
{
    public const OUTCOME_UNKNOWN = 'outcome_unknown';

    /** Answers that pass by themselves, but not today. */
    private const LASTING = ['quota_exceeded', 'first_contact_cap'];

    public function __construct(
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
        $code = $problem['code'] ?? null;
        $message = $problem['detail'] ?? $problem['message'] ?? $answer->body();
        $message = $answer->status().' '.$code.': '.(is_string($message) ? $message : json_encode($message));
        $wait = $problem['retry_after_s'] ?? $problem['retryAfterSeconds'] ?? $answer->header('Retry-After');
        $waitS = is_numeric($wait) ? (int) ceil($wait) : null;
        if (self::isTransient($answer->status(), $code, $waitS, $isRepeatable)) {
            return new OpenWaTransientException($message, $answer->status(), $code, $waitS);
        }
        $isUnsure = $answer->status() >= 500 && ! $isRepeatable;

        return new OpenWaPermanentException($message, $answer->status(), $isUnsure ? self::OUTCOME_UNKNOWN : $code, $waitS);
    }

    /** The exception for no answer: a broken line, a manager that is not there, a wait that was too long. */
    public static function ofSilence(Throwable $trouble, bool $isRepeatable): self
    {
        return $isRepeatable
            ? new OpenWaTransientException($trouble->getMessage(), 0, 'no_answer', null, $trouble)
            : new OpenWaPermanentException($trouble->getMessage(), 0, self::OUTCOME_UNKNOWN, null, $trouble);
    }

    /** What a page that called us gets, unless it catches this: Laravel asks. */
    public function render(): JsonResponse
    {
        $isCallers = in_array($this->status, [404, 409, 413, 422, 429], true);
        $status = $this instanceof OpenWaTransientException ? 503 : ($isCallers ? $this->status : 502);

        return response()->json(['message' => $this->getMessage(), 'code' => $this->errorCode], $status);
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
