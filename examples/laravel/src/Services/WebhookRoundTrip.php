<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Services;

use OpenWaManager\Laravel\Client\Call;
use OpenWaManager\Laravel\Client\Transport;
use OpenWaManager\Laravel\Exceptions\OpenWaException;
use OpenWaManager\Laravel\Models\OpenWaSession;

/** Has the manager tell this app something: makes a session that never starts, waits for its event, and deletes it. */
final class WebhookRoundTrip
{
    /** What an answer of this app to the manager usually comes from. */
    private const CAUSES = [
        401 => 'The secrets differ: OPENWA_WEBHOOK_SECRET here must be OPENWA_MANAGER_UPSTREAM_SECRET there.',
        404 => 'The path is wrong: the manager must post to the address of this app and /%s. A route of your own in routes/api.php has /api before it.',
        405 => 'The path is right, but not for POST: the manager must post to the address of this app and /%s.',
        419 => 'The route is in the group "web", which asks for a CSRF token: take it out of routes/web.php.',
        429 => 'The app throttles the manager: ->withoutMiddleware(\'throttle:api\') at the route.',
        500 => 'The app failed: see storage/logs/laravel.log.',
    ];

    public function __construct(private Transport $transport)
    {
    }

    /**
     * Null: the event came. Otherwise what is wrong, in plain words.
     *
     * @throws OpenWaException
     */
    public function fault(string $sessionId, int $timeoutS): ?string
    {
        $path = '/v1/sessions/'.rawurlencode($sessionId);
        if ($this->transport->ask(new Call('GET', $path, null, 15, [404]))->status !== 404) {
            return "There is a session $sessionId already: name another one with --session.";
        }
        $this->transport->ask(new Call('POST', '/v1/sessions', ['session_id' => $sessionId, 'desired' => 'stopped']));
        try {
            return $this->comes($sessionId, $timeoutS) ? null : $this->explain($sessionId, $timeoutS);
        } finally {
            $this->transport->ask(new Call('DELETE', $path, null, 60, [404]));
        }
    }

    private function comes(string $sessionId, int $timeoutS): bool
    {
        for ($until = time() + $timeoutS; time() <= $until; usleep(200_000)) {
            if (OpenWaSession::whereKey($sessionId)->exists()) {
                return true;
            }
        }

        return false;
    }

    private function explain(string $sessionId, int $timeoutS): ?string
    {
        $query = http_build_query(['session_id' => $sessionId]);
        $deliveries = $this->transport->ask(new Call('GET', "/v1/deliveries?$query"))->json()['deliveries'];
        $tried = collect($deliveries)->first(fn (array $each) => $each['last_tried_at'] !== null);
        $path = ltrim((string) config('openwa.webhook_path'), '/');
        if ($deliveries === []) {
            return "The manager has nobody to tell: set OPENWA_MANAGER_UPSTREAM_URL there to the address of this app and /$path.";
        }
        if ($tried === null) {
            return "The manager has not posted the event within $timeoutS s: openwa-manager deliveries says why (others may be waiting before it).";
        }
        $status = $tried['last_status'];
        if ($status === null) {
            return "The manager does not reach this app: {$tried['last_error']}.";
        }
        if ($status >= 200 && $status < 300) {
            return $this->comes($sessionId, 1) ? null : 'The manager posted the event and was answered '.$status.', but it is not in this app\'s tables: another app, or another database?';
        }
        $cause = $status >= 300 && $status < 400 ? 'The manager follows no redirects: give it the final address (https, no slash at the end).'
            : self::CAUSES[$status] ?? "See openwa-manager deliveries: {$tried['last_error']}";

        return "The manager posted the event and was answered $status. ".str_replace('%s', $path, $cause);
    }
}
