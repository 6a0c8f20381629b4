<?php

namespace App\Services;

use App\Exceptions\OpenWaTransientException;
use App\Models\OpenWaSession;
use Illuminate\Support\Str;

/** Creates and deletes the sessions of users, sends with them, and looks whether they are well. */
class SessionManager
{
    public function __construct(private OpenWaService $openWa, private MessageFates $fates)
    {
    }

    /** Make a session and wait for its first code: `{session_id, status, qr_base64, …}`. */
    public function create(string $userId): array
    {
        $sessionId = "user_{$userId}_session_".Str::uuid();
        OpenWaSession::create(['session_id' => $sessionId, 'user_id' => $userId]);

        return $this->openWa->create($sessionId, $userId);
    }

    /** Unlink the phone and remove everything; the row goes with the event session.deleted. */
    public function delete(OpenWaSession $session): void
    {
        $this->openWa->delete($session->session_id);
    }

    /** Hand a text over to the session's queue; returns the message, whose fate comes by events. */
    public function send(OpenWaSession $session, string $to, string $text, ?string $reference = null): array
    {
        $reference ??= (string) Str::uuid(); // so that a call whose answer got lost can be made again
        $hand = fn () => $this->openWa->queueText($session->session_id, $to, $text, $reference);
        $message = retry(2, $hand, 500, fn ($trouble) => $trouble instanceof OpenWaTransientException);
        $this->fates->takeMessage($message); // events may have been here before

        return $message;
    }

    /** Whether the session can send and receive now. */
    public function checkHealth(OpenWaSession $session): bool
    {
        return (bool) $this->openWa->health($session->session_id)['healthy'];
    }

    /** Restart a session that should run; of one that is banned, logged out or stopped only note that it is. */
    public function recover(OpenWaSession $session): void
    {
        $known = $this->openWa->get($session->session_id);
        if ($known['desired'] !== 'running') {
            $session->update(['status' => $known['status'], 'reason' => $known['reason']['code'] ?? null]);

            return;
        }
        $this->openWa->restart($session->session_id);
        $session->update(['status' => 'restarting', 'reason' => 'no heartbeat']);
    }
}
