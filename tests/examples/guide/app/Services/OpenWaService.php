<?php

namespace App\Services;

use App\Exceptions\OpenWaException;
use Illuminate\Support\Facades\Http;

// As the users' guide has it, but for the constructor: without one, `$baseUrl` has no value.
class OpenWaService {
    private string $baseUrl; // e.g. http://localhost:2785, or https://worker.yourdomain.com

    public function __construct() {
        $this->baseUrl = config('openwa.base_url');
    }

    public function sendText(string $sessionId, string $to, string $text): array {
        $url = "{$this->baseUrl}/api/sessions/{$sessionId}/messages/send-text";
        $response = Http::withHeaders([
            'X-API-Key' => config('openwa.api_key') // if OpenWA requires auth
        ])->post($url, [
            'to' => $to,
            'text' => $text
        ]);

        if ($response->failed()) {
            throw new OpenWaException($response->body());
        }

        return $response->json();
    }

    public function sendImage(string $sessionId, string $to, string $caption, string $mediaUrl): array {
        // Media must be publicly accessible URL that WhatsApp can fetch
        $url = "{$this->baseUrl}/api/sessions/{$sessionId}/messages/send-image";
        return Http::post($url, [
            'to' => $to,
            'url' => $mediaUrl,
            'caption' => $caption
        ])->json();
    }
}
