<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Services;

use OpenWaManager\Laravel\Client\Answer;
use OpenWaManager\Laravel\Client\Call;
use OpenWaManager\Laravel\Client\Transport;
use OpenWaManager\Laravel\Exceptions\OpenWaException;

/**
 * Asks the manager. What it refuses is thrown as OpenWaTransientException or OpenWaPermanentException.
 *
 * Messages go two ways. `queue…` and `sendBulk` hand over and return at once: the manager sends, paces, asks again and
 * tells by events. `sendText` and `sendImage` wait for WhatsApp's answer, as an OpenWA of your own would.
 */
final class OpenWaService
{
    public function __construct(private Transport $transport)
    {
    }

    /**
     * Create a session and wait for its first code; for a session that exists this only asks how it is.
     *
     * @return array<string, mixed>
     */
    public function create(string $sessionId, ?string $userId = null, int $waitS = 30): array
    {
        $wanted = ['session_id' => $sessionId, 'user_id' => $userId, 'wait_for' => 'qr', 'timeout_s' => $waitS];

        return $this->ask('POST', '/v1/sessions', array_filter($wanted), $waitS + 10)->json();
    }

    /** @return array<string, mixed> */
    public function get(string $sessionId): array
    {
        return $this->ask('GET', self::at($sessionId))->json();
    }

    /**
     * The code that is valid now, waiting so long for one; null if none came, or none can come (connected, stopped …).
     *
     * @return array<string, mixed>|null
     */
    public function qr(string $sessionId, int $waitS = 0): ?array
    {
        $answer = $this->ask('GET', self::at($sessionId, "/qr?wait=$waitS"), null, $waitS + 10, [409]);

        return $answer->status === 200 ? $answer->json() : null;
    }

    /**
     * Whether the session can send and receive now, with every check and its evidence.
     *
     * @return array<string, mixed>
     */
    public function health(string $sessionId): array
    {
        return $this->ask('GET', self::at($sessionId, '/health'), accepted: [503])->json();
    }

    /** @return array<string, mixed> */
    public function restart(string $sessionId): array
    {
        return $this->ask('POST', self::at($sessionId, '/restart'))->json();
    }

    /** @return array<string, mixed> */
    public function stop(string $sessionId): array
    {
        return $this->ask('POST', self::at($sessionId, '/stop'))->json();
    }

    /** Unlink the phone and remove everything; a session that is gone already is as good. */
    public function delete(string $sessionId): void
    {
        $this->ask('DELETE', self::at($sessionId, '?logout=true'), null, 60, [404]);
    }

    /** The engine's newest lines. */
    public function logs(string $sessionId, int $lineCount = 200): string
    {
        return $this->ask('GET', self::at($sessionId, "/logs?tail=$lineCount"))->text;
    }

    /**
     * All sessions that the key is for.
     *
     * @return list<array<string, mixed>>
     */
    public function sessions(): array
    {
        $all = [];
        $cursor = null;
        do {
            $query = http_build_query(array_filter(['limit' => 100, 'cursor' => $cursor]));
            $page = $this->ask('GET', "/v1/sessions?$query")->json();
            array_push($all, ...$page['sessions']);
            $cursor = $page['next_cursor'];
        } while ($cursor !== null);

        return $all;
    }

    /**
     * Send a text to a number such as +85212345678 and wait for the answer `{messageId, timestamp, status}`.
     *
     * @return array<string, mixed>
     */
    public function sendText(string $sessionId, string $to, string $text): array
    {
        return $this->send($sessionId, 'send-text', ['to' => $to, 'text' => $text]);
    }

    /**
     * Send the image that lies at an address anybody can read, and wait for the answer.
     *
     * @return array<string, mixed>
     */
    public function sendImage(string $sessionId, string $to, string $caption, string $mediaUrl): array
    {
        return $this->send($sessionId, 'send-image', ['to' => $to, 'url' => $mediaUrl, 'caption' => $caption]);
    }

    /**
     * Hand a text over to the session's queue; returns the message, its `message_id` is `msg_…`.
     *
     * `$reference` is a name of your own for it: a second call with the same name and text returns the same message.
     *
     * @return array<string, mixed>
     */
    public function queueText(string $sessionId, string $to, string $text, string $reference): array
    {
        return $this->queueMessage($sessionId, ['to' => $to, 'text' => $text, 'reference' => $reference]);
    }

    /**
     * Hand an image over; the manager fetches it, and sends the fallback text (if there is one) where it cannot.
     *
     * @return array<string, mixed>
     */
    public function queueImage(
        string $sessionId,
        string $to,
        string $caption,
        string $mediaUrl,
        string $reference,
        ?string $fallbackText = null,
    ): array {
        return $this->queueMessage($sessionId, array_filter([
            'to' => $to,
            'image_url' => $mediaUrl,
            'caption' => $caption,
            'reference' => $reference,
            'fallback_text' => $fallbackText,
        ], fn ($value) => $value !== null));
    }

    /**
     * Hand any message over, with `send_after`, `expires_at`, `priority` …; with a `reference` it is safe to do it twice.
     *
     * @param  array<string, mixed>  $message
     * @return array<string, mixed>
     */
    public function queueMessage(string $sessionId, array $message): array
    {
        $isRepeatable = isset($message['reference']);

        return $this->ask('POST', self::at($sessionId, '/messages'), $message, isRepeatable: $isRepeatable)->json();
    }

    /**
     * Hand up to 10,000 messages over at once; a second call with the same key and body returns the first answer.
     *
     * @param  array<string, mixed>  $bulk
     * @return array<string, mixed>
     */
    public function sendBulk(string $sessionId, array $bulk, string $key): array
    {
        return $this->ask('POST', self::at($sessionId, '/messages/bulk'), $bulk, 120, key: $key)->json();
    }

    /**
     * A message of the queue with its status, why it waits (`hold`), and every attempt.
     *
     * @return array<string, mixed>
     */
    public function message(string $messageId): array
    {
        return $this->ask('GET', '/v1/messages/'.rawurlencode($messageId))->json();
    }

    /**
     * Messages of a session, newest first: `{messages, next_cursor}`; the query may be status, to, batch_id, reference …
     *
     * @param  array<string, mixed>  $query
     * @return array<string, mixed>
     */
    public function messages(string $sessionId, array $query): array
    {
        return $this->ask('GET', self::at($sessionId, '/messages?').http_build_query($query))->json();
    }

    /**
     * Call a message off that still waits; one that is being sent already is refused as permanent.
     *
     * @return array<string, mixed>
     */
    public function cancelMessage(string $messageId): array
    {
        return $this->ask('DELETE', '/v1/messages/'.rawurlencode($messageId))->json();
    }

    /** @return array<string, mixed> */
    public function batch(string $batchId): array
    {
        return $this->ask('GET', '/v1/batches/'.rawurlencode($batchId))->json();
    }

    /**
     * `paused` or `active`.
     *
     * @return array<string, mixed>
     */
    public function setBatchState(string $batchId, string $state): array
    {
        return $this->ask('PATCH', '/v1/batches/'.rawurlencode($batchId), ['state' => $state])->json();
    }

    /** Call off all of a batch that still waits. */
    public function cancelBatch(string $batchId): void
    {
        $this->ask('DELETE', '/v1/batches/'.rawurlencode($batchId), null, 60, [404]);
    }

    /**
     * How much waits in a session and why, how fast it goes, and when the last one will be sent.
     *
     * @return array<string, mixed>
     */
    public function queue(string $sessionId): array
    {
        return $this->ask('GET', self::at($sessionId, '/queue'))->json();
    }

    /**
     * `paused`, or `active`: the latter also ends the holds that a person must end.
     *
     * @return array<string, mixed>
     */
    public function setQueueState(string $sessionId, string $state): array
    {
        return $this->ask('PATCH', self::at($sessionId, '/queue'), ['state' => $state])->json();
    }

    /**
     * What the user may send this month: `messages_limit`, `messages_used_this_month`, `messages_reserved`, `resets_at`.
     *
     * @return array<string, mixed>
     */
    public function quota(string $userId): array
    {
        return $this->ask('GET', '/v1/users/'.rawurlencode($userId).'/quota')->json();
    }

    /**
     * Let a user send so many messages in a month; null: any number.
     *
     * @return array<string, mixed>
     */
    public function setQuota(string $userId, ?int $limit): array
    {
        return $this->ask('PUT', '/v1/users/'.rawurlencode($userId).'/quota', ['messages_limit' => $limit])->json();
    }

    /**
     * Send with the answer awaited: no key, so a call whose answer is lost must not be made again.
     *
     * @param  array<string, mixed>  $message
     * @return array<string, mixed>
     */
    private function send(string $sessionId, string $route, array $message): array
    {
        // The manager may hold a message back up to 30 s: people do not write faster than one in 1.5 s.
        return $this->ask('POST', '/api/sessions/'.rawurlencode($sessionId)."/messages/$route", $message, 60, isRepeatable: false)->json();
    }

    /**
     * Make one call. An answer that is neither 2xx nor accepted is thrown.
     *
     * @param  array<string, mixed>|null  $body
     * @param  int[]  $accepted
     *
     * @throws OpenWaException
     */
    private function ask(
        string $method,
        string $path,
        ?array $body = null,
        int $timeoutS = 15,
        array $accepted = [],
        bool $isRepeatable = true,
        ?string $key = null,
    ): Answer {
        return $this->transport->ask(new Call($method, $path, $body, $timeoutS, $accepted, $isRepeatable, $key));
    }

    /** A path below a session; whatever stands in the id stays in it. */
    private static function at(string $sessionId, string $rest = ''): string
    {
        return '/v1/sessions/'.rawurlencode($sessionId).$rest;
    }
}
