<?php

namespace App\Services;

use App\Models\WaSession;
use Illuminate\Support\Facades\Http;

class SessionManager
{
    // "Option A: OpenWA exposes `/api/sessions/{sessionId}/health` endpoint. Call it."
    public function checkHealth(WaSession $session): bool
    {
        $url = config('openwa.base_url')."/api/sessions/{$session->session_id}/health";

        return Http::withHeaders(['X-API-Key' => config('openwa.api_key')])->get($url)->successful();
    }
}
