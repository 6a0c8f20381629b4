<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel;

use Illuminate\Support\Str;
use Illuminate\Support\Traits\Conditionable;
use Illuminate\Support\Traits\Macroable;
use OpenWaManager\Laravel\Exceptions\NoAnswerException;
use OpenWaManager\Laravel\Exceptions\OpenWaException;
use OpenWaManager\Laravel\Exceptions\OutcomeUnknownException;
use OpenWaManager\Laravel\Exceptions\ServerException;
use OpenWaManager\Laravel\Services\MessageFates;
use OpenWaManager\Laravel\Services\OpenWaService;
use Throwable;

/**
 * One session: `OpenWa::session($id)->text($to, 'Hello')->image($to, $url)`.
 *
 * Each of these calls hands over at once and returns the session, so that the next one can follow; what was accepted is in
 * `last()`, `messages()` and `batches()`. What is refused is thrown, and what was handed over before stays so. The
 * manager sends one after the other, in this order, each 1.2–1.8 s after the one before.
 */
final class Session
{
    use Conditionable, Macroable;

    /** What one call may hold. */
    private const BULK_MAX = 10_000;

    /** @var list<array<string, mixed>> */
    private array $messages = [];

    /** @var list<array<string, mixed>> */
    private array $batches = [];

    public function __construct(public string $id, private OpenWaService $openWa, private MessageFates $fates)
    {
    }

    /** @throws OpenWaException */
    public function text(string $to, string $text, ?string $reference = null): self
    {
        return $this->send($to, OpenWaMessage::text($text), $reference);
    }

    /** @throws OpenWaException */
    public function image(string $to, string $url, ?string $caption = null, ?string $reference = null): self
    {
        return $this->send($to, OpenWaMessage::image($url, $caption), $reference);
    }

    /** @throws OpenWaException */
    public function video(string $to, string $url, ?string $caption = null, ?string $reference = null): self
    {
        return $this->send($to, OpenWaMessage::video($url, $caption), $reference);
    }

    /** @throws OpenWaException */
    public function audio(string $to, string $url, ?string $reference = null): self
    {
        return $this->send($to, OpenWaMessage::audio($url), $reference);
    }

    /** @throws OpenWaException */
    public function document(string $to, string $url, ?string $filename = null, ?string $reference = null): self
    {
        return $this->send($to, OpenWaMessage::document($url, $filename), $reference);
    }

    /**
     * Hand any message over. With a `reference` of yours, a job that runs twice sends once.
     *
     * Without one, a call that was not answered ends as OutcomeUnknownException: it may have been taken.
     *
     * @throws OpenWaException
     */
    public function send(string $to, OpenWaMessage $message, ?string $reference = null): self
    {
        $body = ['to' => $to] + ($reference === null ? $message : $message->reference($reference))->toArray();
        $hasName = isset($body['reference']);
        $body += ['reference' => (string) Str::uuid()]; // so that a call whose answer got lost can be made again
        $accepted = $this->twice(fn () => $this->openWa->queueMessage($this->id, $body), $hasName);
        rescue(fn () => $this->fates->takeMessage($accepted)); // it is handed over, whatever our own tables say
        $this->messages[] = $accepted;

        return $this;
    }

    /**
     * Hand many over: a list of `['to' => …, 'text' => …]`, or of people with `template:` `['text' => 'Hello {{name}}']`.
     *
     * People are `['to' => …, 'variables' => ['name' => …], 'reference' => …]`. With a `key` of yours a second call sends
     * nothing again. `terms`: `name`, `window`, `send_after`, `expires_at` of the manager's API.
     *
     * @param  iterable<array<string, mixed>>  $messages
     * @param  array<string, string>|null  $template
     * @param  array<string, mixed>  $terms
     *
     * @throws OpenWaException
     */
    public function bulk(iterable $messages, ?array $template = null, ?string $key = null, array $terms = []): self
    {
        $hasName = $key !== null;
        $key ??= (string) Str::uuid();
        $all = is_array($messages) ? array_values($messages) : iterator_to_array($messages, false);
        foreach (array_chunk($all, self::BULK_MAX) as $number => $part) {
            $body = $template === null ? ['messages' => $part] : ['template' => $template, 'recipients' => $part];
            $name = $number === 0 ? $key : "$key-$number";
            $this->batches[] = $this->twice(fn () => $this->openWa->sendBulk($this->id, $body + $terms, $name), $hasName);
        }

        return $this;
    }

    /**
     * What was handed over last by this object: `message_id`, `status`, `hold` …; null before the first.
     *
     * @return array<string, mixed>|null
     */
    public function last(): ?array
    {
        return $this->messages === [] ? null : $this->messages[count($this->messages) - 1];
    }

    /** @return list<array<string, mixed>> all that `text`, `image` … handed over */
    public function messages(): array
    {
        return $this->messages;
    }

    /** @return list<array<string, mixed>> what `bulk` was answered: `batch_id`, `accepted`, `rejected`, `finish_at` */
    public function batches(): array
    {
        return $this->batches;
    }

    /**
     * Make a call, and once more if there is no answer. Only who gave it a name can make the same call later, unless
     * both answers said that nothing was taken.
     *
     * @param  callable(): array<string, mixed>  $call
     * @return array<string, mixed>
     */
    private function twice(callable $call, bool $hasName): array
    {
        $mayBeTaken = false;
        $isUnanswered = fn (Throwable $trouble) => $trouble instanceof NoAnswerException || $trouble instanceof ServerException;
        $noted = function () use ($call, &$mayBeTaken) {
            try {
                return $call();
            } catch (NoAnswerException|ServerException $trouble) {
                $isUndone = $trouble->status === 507 || ($trouble->status === 503 && $trouble->retryAfterS !== null);
                $mayBeTaken = $mayBeTaken || ! $isUndone;
                throw $trouble;
            }
        };
        try {
            return retry(2, $noted, 500, $isUnanswered);
        } catch (NoAnswerException|ServerException $trouble) {
            $code = OpenWaException::OUTCOME_UNKNOWN;
            throw $hasName || ! $mayBeTaken ? $trouble : new OutcomeUnknownException($trouble->getMessage(), $trouble->status, $code, null, $trouble);
        }
    }
}
