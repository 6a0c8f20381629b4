<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Services;

use Illuminate\Support\Str;
use OpenWaManager\Laravel\Exceptions\NotFoundException;
use OpenWaManager\Laravel\Exceptions\OpenWaPermanentException;
use OpenWaManager\Laravel\Models\OpenWaSession;
use OpenWaManager\Laravel\OpenWa;

/** Creates and deletes the sessions of users, sends with them, and looks whether they are well. */
final class SessionManager
{
    public function __construct(private OpenWaService $openWa, private OpenWa $sessions)
    {
    }

    /** What a session's id may hold. */
    private const ID_MAX = 63;

    /**
     * Make a session and wait for its first code. The user's id may be any: a number, a UUID, a ULID.
     *
     * @return array<string, mixed> `session_id`, `status`, `qr_base64` …
     */
    public function create(string $userId): array
    {
        $sessionId = self::newId($userId);
        $row = OpenWaSession::create(['session_id' => $sessionId, 'user_id' => $userId]); // before its first event comes
        try {
            return $this->openWa->create($sessionId, $userId);
        } catch (OpenWaPermanentException $refusal) {
            $row->delete();
            throw $refusal;
        }
    }

    /** `user_1_session_<uuid>`; a long user id leaves less room for what makes it the only one. */
    private static function newId(string $userId): string
    {
        $user = trim(substr((string) preg_replace('/[^a-z0-9-]+/', '-', strtolower($userId)), 0, 36), '-');
        $start = "user_{$user}_session_";
        $room = self::ID_MAX - strlen($start);

        return $start.($room < 36 ? strtolower(Str::random($room)) : Str::uuid());
    }

    /** Unlink the phone and remove everything; the row goes with the event session.deleted. */
    public function delete(OpenWaSession $session): void
    {
        $this->openWa->delete($session->session_id);
    }

    /**
     * Hand a text over to the session's queue.
     *
     * @return array<string, mixed> the message, whose fate comes by events
     */
    public function send(OpenWaSession $session, string $to, string $text, ?string $reference = null): array
    {
        return (array) $this->sessions->session($session->session_id)->text($to, $text, $reference)->last();
    }

    /** Whether the session can send and receive now. */
    public function checkHealth(OpenWaSession $session): bool
    {
        return (bool) $this->openWa->health($session->session_id)['healthy'];
    }

    /** Whether the manager says so too: events may be late. What it does not know is not away, but gone. */
    public function isAway(OpenWaSession $session): bool
    {
        if ($session->status === 'banned') {
            return true;
        }
        try {
            $known = $this->openWa->get($session->session_id);
        } catch (NotFoundException) {
            return false;
        }
        $session->showStatus($known['status'], $known['reason']['code'] ?? null);

        return ! in_array($known['status'], ['connected', 'stopped'], true);
    }

    /** Restart a session that should run; of one that is banned, logged out or stopped only note that it is. */
    public function recover(OpenWaSession $session): void
    {
        $known = $this->openWa->get($session->session_id);
        if ($known['desired'] !== 'running') {
            $session->showStatus($known['status'], $known['reason']['code'] ?? null);

            return;
        }
        $this->openWa->restart($session->session_id);
        $session->showStatus('restarting', 'no heartbeat');
    }
}
