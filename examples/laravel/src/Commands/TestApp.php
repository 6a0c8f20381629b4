<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Commands;

use Illuminate\Console\Command;
use Illuminate\Contracts\Http\Kernel;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\Schema;
use Illuminate\Support\Str;
use OpenWaManager\Laravel\Client\Call;
use OpenWaManager\Laravel\Client\Transport;
use OpenWaManager\Laravel\Exceptions\ForbiddenException;
use OpenWaManager\Laravel\Exceptions\InvalidException;
use OpenWaManager\Laravel\Exceptions\NoAnswerException;
use OpenWaManager\Laravel\Exceptions\NotFoundException;
use OpenWaManager\Laravel\Exceptions\OpenWaException;
use OpenWaManager\Laravel\Exceptions\UnauthenticatedException;
use OpenWaManager\Laravel\Services\WebhookRoundTrip;

/** Looks whether this app and the manager understand each other, both ways, and says what to change if not. */
final class TestApp extends Command
{
    protected $signature = 'openwa:test
        {--session= : the name of the session made for the round trip, for a key that is for certain names only}
        {--timeout=15 : how many seconds to wait for the event}';

    protected $description = 'Check the settings, the manager, the key, the tables and the webhook, and say what is wrong';

    private bool $isGood = true;

    public function handle(Transport $transport, WebhookRoundTrip $roundTrip): int
    {
        $this->checkSettings();
        $this->checkDebugging();
        $canAsk = $this->isGood && $this->checkManager($transport) && $this->checkKey($transport);
        $hasTables = $this->checkTables();
        $takes = $hasTables && ! empty(config('openwa.webhook_secret')) && $this->checkRoute();
        if ($canAsk && $takes) {
            $this->checkRoundTrip($roundTrip);
        }
        $this->line($this->isGood ? 'All is well.' : 'Not all is well: mend the first fault, then run this again.');

        return $this->isGood ? 0 : 1;
    }

    private function checkSettings(): void
    {
        $url = (string) config('openwa.base_url');
        $secret = (string) config('openwa.webhook_secret');
        $isUrl = in_array(parse_url($url, PHP_URL_SCHEME), ['http', 'https'], true) && parse_url($url, PHP_URL_HOST);
        $this->say($isUrl, "OPENWA_BASE_URL is $url", "OPENWA_BASE_URL must be like https://manager.example.com, and is \"$url\".");
        $this->say(! empty(config('openwa.api_key')), 'OPENWA_API_KEY is set', 'OPENWA_API_KEY is empty: openwa-manager keys create laravel --role operator --qr makes one.');
        $this->say($secret !== '', 'OPENWA_WEBHOOK_SECRET is set', 'OPENWA_WEBHOOK_SECRET is empty: every event is refused.');
        if (str_starts_with($secret, 'whsec_') && ! base64_decode(substr($secret, 6), true)) {
            $this->say(false, '', 'OPENWA_WEBHOOK_SECRET begins with whsec_, but what follows is not base64, or nothing: every event is refused.');
        }
        if (app()->configurationIsCached()) {
            $this->line('note  The configuration is cached: after a change in .env run php artisan config:cache.');
        }
        if (parse_url($url, PHP_URL_SCHEME) === 'http' && ! in_array(parse_url($url, PHP_URL_HOST), ['localhost', '127.0.0.1', '[::1]'], true)) {
            $this->line('note  http, not https: the key can be read on the way.');
        }
    }

    private function checkDebugging(): void
    {
        $debugTo = config('openwa.debug_to');
        if (! empty($debugTo)) {
            $this->warn(app()->environment('production')
                ? 'note  OPENWA_DEBUG_TO is set and does nothing: this is production.'
                : "note  OPENWA_DEBUG_TO: EVERY MESSAGE GOES TO $debugTo, whomever it is for.");
        }
    }

    private function checkManager(Transport $transport): bool
    {
        $url = config('openwa.base_url');
        try {
            $answer = $transport->ask(new Call('GET', '/api/health', null, 10, [401]));
            $isManager = $answer->status === 401 || (((array) json_decode($answer->text, true))['status'] ?? null) === 'ok';

            return $this->say($isManager, 'The manager answers', "Something answers at $url, but it is not the manager: wrong port or path?");
        } catch (NoAnswerException $silence) {
            return $this->say(false, '', "Nobody answers at $url: is the manager running, and is this its address? ({$silence->getMessage()})");
        } catch (OpenWaException $refusal) {
            $advice = $refusal->status === 421 ? 'Put its host into OPENWA_MANAGER_ALLOWED_HOSTS there.' : 'Is it the address of the manager, without a path?';

            return $this->say(false, '', "$url refuses: {$refusal->getMessage()}. $advice");
        }
    }

    private function checkKey(Transport $transport): bool
    {
        try {
            $key = $transport->ask(new Call('POST', '/api/auth/validate', [], 10))->json();
            $scope = empty($key['scoped']) ? 'all sessions' : 'some sessions only';

            return $this->say(true, 'The key is good, for '.$scope, '');
        } catch (UnauthenticatedException) {
            return $this->say(false, '', 'OPENWA_API_KEY is refused: wrong, expired, revoked, or not allowed from this address. openwa-manager keys lists them.');
        } catch (OpenWaException $refusal) {
            return $this->say(false, '', "The key could not be tried: {$refusal->getMessage()}");
        }
    }

    private function checkTables(): bool
    {
        $isThere = rescue(fn () => Schema::hasColumn('openwa_sessions', 'notified_at'), false);

        return $this->say($isThere, 'The tables are there', 'The tables are not there, or old, or the database does not answer: php artisan migrate.');
    }

    /** Post a signed event to the app's own route, within this process. */
    private function checkRoute(): bool
    {
        $path = '/'.ltrim((string) config('openwa.webhook_path'), '/');
        $event = ['id' => 'evt_test_'.Str::uuid(), 'type' => 'openwa.test', 'session_id' => null];
        $body = (string) json_encode($event);
        $status = app(Kernel::class)->handle(Request::create($path, 'POST', [], [], [], $this->signed($event['id'], $body), $body))->getStatusCode();

        return $this->say($status === 204, "POST $path takes signed events", "POST $path of this app answers $status to a signed event, not 204: "
            .'is it cached without the package (php artisan route:cache), or does another route or middleware get it first?');
    }

    /** @return array<string, string> */
    private function signed(string $id, string $body): array
    {
        $secret = (string) config('openwa.webhook_secret');
        $key = str_starts_with($secret, 'whsec_') ? base64_decode(substr($secret, 6)) : $secret;
        $at = (string) time();

        return [
            'CONTENT_TYPE' => 'application/json',
            'HTTP_WEBHOOK_ID' => $id,
            'HTTP_WEBHOOK_TIMESTAMP' => $at,
            'HTTP_WEBHOOK_SIGNATURE' => 'v1,'.base64_encode(hash_hmac('sha256', "$id.$at.$body", $key, true)),
            'HTTP_X_OPENWA_SIGNATURE' => 'sha256='.hash_hmac('sha256', $body, $secret),
        ];
    }

    private function checkRoundTrip(WebhookRoundTrip $roundTrip): void
    {
        $session = (string) ($this->option('session') ?? 'openwa_test_'.bin2hex(random_bytes(4)));
        try {
            $fault = $roundTrip->fault($session, (int) $this->option('timeout'));
            $this->say($fault === null, 'The manager told this app of a session it made, and deleted it', (string) $fault);
        } catch (ForbiddenException) {
            $this->line('note  The key may not make sessions, so events were not tried: look for one with openwa-manager deliveries.');
        } catch (InvalidException|NotFoundException $refusal) {
            $this->line("note  The key is for certain sessions only, so events were not tried: --session=NAME, a name it is for. ({$refusal->getMessage()})");
        } catch (OpenWaException $refusal) {
            $this->say(false, '', "The round trip failed: {$refusal->getMessage()}");
        }
    }

    private function say(bool $isGood, string $good, string $bad): bool
    {
        $isGood ? $this->info("ok    $good") : $this->error("FAULT $bad");
        $this->isGood = $this->isGood && $isGood;

        return $isGood;
    }
}
