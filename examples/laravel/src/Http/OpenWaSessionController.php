<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Http;

use Illuminate\Http\JsonResponse;
use Illuminate\Http\Request;
use Illuminate\Http\Response;
use Illuminate\Support\Facades\Cache;
use OpenWaManager\Laravel\Models\OpenWaSession;
use OpenWaManager\Laravel\Services\OpenWaEvents;
use OpenWaManager\Laravel\Services\SessionManager;

/** What a logged-in user does with a session of their own. */
final class OpenWaSessionController
{
    public function __construct(private SessionManager $sessions)
    {
    }

    /** Start a session; the code comes with the answer if it is there in time, and later with GET …/qr. */
    public function store(Request $request): JsonResponse
    {
        $created = $this->sessions->create((string) $request->user()->getAuthIdentifier());

        return response()->json(['session_id' => $created['session_id'], 'qr_base64' => $created['qr_base64']], 201);
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

    /** Hand a text over; what becomes of it is in openwa_messages. */
    public function send(Request $request, string $sessionId): JsonResponse
    {
        $session = $this->own($request, $sessionId);
        $message = $this->sessions->send($session, (string) $request->input('to'), (string) $request->input('text'));

        return response()->json(['message_id' => $message['message_id'], 'status' => $message['status']], 202);
    }

    public function destroy(Request $request, string $sessionId): Response
    {
        $this->sessions->delete($this->own($request, $sessionId));

        return response()->noContent();
    }

    private function own(Request $request, string $sessionId): OpenWaSession
    {
        return OpenWaSession::where('session_id', $sessionId)
            ->where('user_id', (string) $request->user()->getAuthIdentifier())
            ->firstOrFail();
    }
}
