<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Testing;

use OpenWaManager\Laravel\Client\Answer;
use OpenWaManager\Laravel\Client\Call;
use OpenWaManager\Laravel\Client\Transport;
use OpenWaManager\Laravel\Exceptions\OpenWaException;

/** A manager that takes every message and sends none; each session is connected. Same reference or key: sent once. */
final class FakeTransport implements Transport
{
    /** @var list<SentMessage> */
    public array $sent = [];

    public ?OpenWaException $failure = null;

    /** @var array<string, array<string, mixed>> answers by what makes a call the same */
    private array $answers = [];

    public function ask(Call $call): Answer
    {
        if ($this->failure !== null) {
            throw $this->failure;
        }
        if ($call->method === 'POST' && preg_match('~/sessions/([^/]+)/messages(?:/([a-z-]+))?$~', $call->path, $found)) {
            $answer = $this->take($found[1], $found[2] ?? '', $call);
        } else {
            $answer = $this->describe($call);
        }

        return new Answer($answer === null ? 204 : 200, $answer === null ? '' : (string) json_encode($answer));
    }

    /** @return array<string, mixed> */
    private function take(string $sessionId, string $route, Call $call): array
    {
        $body = (array) $call->body;
        $sameAs = $call->key ?? ($route === '' ? $body['reference'] ?? null : null);
        $name = "$sessionId $route ".($sameAs ?? count($this->answers));

        return $this->answers[$name] ??= $route === 'bulk' ? $this->takeAll($sessionId, $body) : $this->takeOne($sessionId, $route, $body);
    }

    /**
     * @param  array<string, mixed>  $body
     * @return array<string, mixed>
     */
    private function takeOne(string $sessionId, string $route, array $body): array
    {
        if ($route === 'send-image') {
            $body = ['image_url' => $body['url']] + $body;
        }
        $this->sent[] = SentMessage::of($sessionId, $body);
        $id = sprintf('%026d', count($this->sent));

        return $route === '' ? $this->message("msg_$id", $sessionId, $body) : ['messageId' => $id, 'timestamp' => time(), 'status' => 'queued'];
    }

    /**
     * @param  array<string, mixed>  $body
     * @return array<string, mixed>
     */
    private function takeAll(string $sessionId, array $body): array
    {
        $all = $body['messages'] ?? $body['recipients'] ?? [];
        foreach ($all as $each) {
            $this->sent[] = SentMessage::of($sessionId, $each + ($body['template'] ?? []));
        }
        $id = sprintf('batch_%026d', count($this->answers) + 1);

        return ['batch_id' => $id, 'accepted' => count($all), 'rejected' => [], 'first_contacts' => 0, 'finish_at' => null, 'quota_left' => null];
    }

    /**
     * @param  array<string, mixed>  $body
     * @return array<string, mixed>
     */
    private function message(string $id, string $sessionId, array $body): array
    {
        $nothing = array_fill_keys(['user_id', 'batch_id', 'reference', 'hold', 'error_code', 'error_detail', 'whatsapp_message_id',
            'sent_at', 'delivered_at', 'read_at', 'ended_at'], null);

        return array_intersect_key($body, array_flip(['to', 'reference'])) + [
            'message_id' => $id,
            'session_id' => $sessionId,
            'status' => 'queued',
            'created_at' => gmdate('Y-m-d\TH:i:s.000\Z'),
        ] + $nothing;
    }

    /** @return array<string, mixed>|null */
    private function describe(Call $call): ?array
    {
        if (str_contains($call->path, '/qr')) {
            return null;
        }
        if (str_contains($call->path, '/messages?')) {
            return ['messages' => [], 'next_cursor' => null];
        }
        if (preg_match('~/v1/sessions(\?|$)~', $call->path) && $call->method === 'GET') {
            return ['sessions' => [], 'next_cursor' => null];
        }
        if (str_ends_with($call->path, '/quota')) {
            return ['messages_limit' => $call->body['messages_limit'] ?? null, 'messages_used_this_month' => 0, 'messages_reserved' => 0,
                'resets_at' => null];
        }
        preg_match('~/sessions/([^/?]+)~', $call->path, $found);
        $id = $call->body['session_id'] ?? $found[1] ?? null;

        return ['session_id' => $id, 'status' => 'connected', 'reason' => null, 'desired' => 'running', 'pid' => 1, 'healthy' => true,
            'phone_number' => '85260000000', 'qr_base64' => null, 'ended_at' => null, 'state' => $call->body['state'] ?? 'active'];
    }
}
