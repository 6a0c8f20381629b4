<?php

namespace App\Services;

use Illuminate\Http\Client\PendingRequest;
use Illuminate\Support\Facades\Http;

/** Asks the manager. What it refuses is thrown as Illuminate\Http\Client\RequestException, its reason in `code`. */
class OpenWaService
{
    /** Create a session and wait for its first code; for a session that exists this only asks how it is. */
    public function create(string $sessionId, ?string $userId = null, int $waitS = 30): array
    {
        $wanted = ['session_id' => $sessionId, 'user_id' => $userId, 'wait_for' => 'qr', 'timeout_s' => $waitS];

        return $this->request($waitS + 10)->post('/v1/sessions', array_filter($wanted))->throw()->json();
    }

    public function get(string $sessionId): array
    {
        return $this->request()->get("/v1/sessions/$sessionId")->throw()->json();
    }

    /** The code that is valid now, waiting so long for one; null if none came, or none can come (connected, stopped …). */
    public function qr(string $sessionId, int $waitS = 0): ?array
    {
        $answer = $this->request($waitS + 10)->get("/v1/sessions/$sessionId/qr", ['wait' => $waitS]);

        return in_array($answer->status(), [204, 409], true) ? null : $answer->throw()->json();
    }

    /** Whether the session can send and receive now, with every check and its evidence. */
    public function health(string $sessionId): array
    {
        $answer = $this->request()->get("/v1/sessions/$sessionId/health");

        return $answer->status() === 503 ? $answer->json() : $answer->throw()->json();
    }

    public function restart(string $sessionId): array
    {
        return $this->request()->post("/v1/sessions/$sessionId/restart")->throw()->json();
    }

    public function stop(string $sessionId): array
    {
        return $this->request()->post("/v1/sessions/$sessionId/stop")->throw()->json();
    }

    /** Unlink the phone and remove everything; a session that is gone already is as good. */
    public function delete(string $sessionId): void
    {
        $answer = $this->request(60)->delete("/v1/sessions/$sessionId?logout=true");
        if ($answer->status() !== 404) {
            $answer->throw();
        }
    }

    /** Send a text to a number such as +85212345678; its fate comes as message.sent, .delivered, .read or .failed. */
    public function sendText(string $sessionId, string $to, string $text): array
    {
        return $this->send($sessionId, 'send-text', ['to' => $to, 'text' => $text]);
    }

    public function sendImage(string $sessionId, string $to, string $url, string $caption = ''): array
    {
        return $this->send($sessionId, 'send-image', ['to' => $to, 'url' => $url, 'caption' => $caption]);
    }

    private function send(string $sessionId, string $route, array $message): array
    {
        // The manager may hold a message back up to 30 s: people do not write faster than one in 1.5 s.
        return $this->request(60)->post("/api/sessions/$sessionId/messages/$route", $message)->throw()->json();
    }

    private function request(int $timeoutS = 15): PendingRequest
    {
        return Http::baseUrl(config('openwa.base_url'))
            ->withHeaders(['X-API-Key' => config('openwa.api_key')])
            ->acceptJson()
            ->timeout($timeoutS);
    }
}
