<?php

namespace App\Http\Controllers;

use App\Models\OpenWaSession;
use App\Services\OpenWaEvents;
use App\Services\OpenWaService;
use Illuminate\Http\JsonResponse;
use Illuminate\Http\Request;
use Illuminate\Http\Response;
use Illuminate\Support\Facades\Cache;
use Illuminate\Support\Str;

/** What a logged-in user does with a session of their own. */
class OpenWaSessionController
{
    public function __construct(private OpenWaService $openWa)
    {
    }

    /** Start a session; the code comes with the answer if it is there in time, and later with GET …/qr. */
    public function store(Request $request): JsonResponse
    {
        $userId = (string) $request->user()->getAuthIdentifier();
        $sessionId = "user_{$userId}_session_".Str::uuid();
        OpenWaSession::create(['session_id' => $sessionId, 'user_id' => $userId]);
        $created = $this->openWa->create($sessionId, $userId);

        return response()->json(['session_id' => $sessionId, 'qr_base64' => $created['qr_base64']], 201);
    }

    public function show(Request $request, string $sessionId): JsonResponse
    {
        return response()->json($this->own($request, $sessionId));
    }

    /** The newest code, from the cache the events fill: a page may ask for it every second or two. */
    public function qr(Request $request, string $sessionId): JsonResponse
    {
        $session = $this->own($request, $sessionId);

        return response()->json(['status' => $session->status] + (Cache::get(OpenWaEvents::codeKey($sessionId)) ?? []));
    }

    public function send(Request $request, string $sessionId): JsonResponse
    {
        $this->own($request, $sessionId);
        $sent = $this->openWa->sendText($sessionId, (string) $request->input('to'), (string) $request->input('text'));

        return response()->json($sent, 202);
    }

    public function destroy(Request $request, string $sessionId): Response
    {
        $this->own($request, $sessionId);
        $this->openWa->delete($sessionId);

        return response()->noContent();
    }

    private function own(Request $request, string $sessionId): OpenWaSession
    {
        return OpenWaSession::where('session_id', $sessionId)
            ->where('user_id', (string) $request->user()->getAuthIdentifier())
            ->firstOrFail();
    }
}
