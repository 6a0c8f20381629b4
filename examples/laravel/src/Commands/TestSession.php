<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Commands;

use Illuminate\Console\Command;
use Illuminate\Support\Facades\File;
use Illuminate\Support\Str;
use OpenWaManager\Laravel\Exceptions\OpenWaException;
use OpenWaManager\Laravel\Services\OpenWaService;

/** Tries the whole way by hand: a session, its code, a message, and what becomes of it. */
final class TestSession extends Command
{
    protected $signature = 'wa:test-session
        {session=user_test_session_1 : the session, made if it is not there}
        {--to= : whom to write to, such as +85212345678; nobody if not given}
        {--text=Hello from wa:test-session : what to write}
        {--timeout=120 : how many seconds to wait, for the scan and for the message each}';

    protected $description = 'Look at a session, have its code scanned, send a message and wait until it is delivered';

    private const FINAL = ['delivered', 'read', 'failed', 'bounced', 'expired', 'unknown', 'cancelled'];

    private const HOPELESS = ['stopped', 'failed', 'banned', 'logged_out'];

    public function handle(OpenWaService $openWa): int
    {
        try {
            $isGood = $this->connect($openWa) && ($this->option('to') === null || $this->send($openWa));
        } catch (OpenWaException $refusal) {
            $this->error($refusal->getMessage());
            $isGood = false;
        }

        return $isGood ? 0 : 1;
    }

    private function connect(OpenWaService $openWa): bool
    {
        $id = $this->argument('session');
        $session = $openWa->create($id, null, 30);
        [$shown, $path] = [null, storage_path("$id.png")];
        for ($until = $this->deadline(); $session['status'] !== 'connected'; $session = $openWa->get($id)) {
            if (in_array($session['status'], self::HOPELESS, true) || time() > $until) {
                File::delete($path);
                $this->error("$id is {$session['status']}: ".($session['reason']['detail'] ?? 'not connected in time'));

                return false;
            }
            $code = $openWa->qr($id, 5);
            if ($code !== null && $code['qr_base64'] !== $shown) {
                $shown = $code['qr_base64'];
                file_put_contents($path, base64_decode($shown));
                $this->line("scan $path until {$code['expires_at']}");
            }
        }
        File::delete($path); // it was a login
        $this->info("$id is connected as {$session['phone_number']}");

        return true;
    }

    private function send(OpenWaService $openWa): bool
    {
        $text = $this->option('text');
        $message = $openWa->queueText($this->argument('session'), $this->option('to'), $text, 'wa:test-session '.Str::uuid());
        $said = null;
        for ($until = $this->deadline(); ; $message = $openWa->message($message['message_id'])) {
            $hold = $message['hold'] === null ? '' : " ({$message['hold']['code']})";
            $error = $message['error_code'] === null ? '' : " ({$message['error_code']}: {$message['error_detail']})";
            if ($said !== $now = "{$message['message_id']} {$message['status']}$hold$error") {
                $this->line($said = $now);
            }
            if (in_array($message['status'], self::FINAL, true) || time() > $until) {
                return in_array($message['status'], ['delivered', 'read'], true);
            }
            usleep(300_000);
        }
    }

    private function deadline(): int
    {
        return time() + (int) $this->option('timeout');
    }
}
