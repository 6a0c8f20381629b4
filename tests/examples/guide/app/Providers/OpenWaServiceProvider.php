<?php

namespace App\Providers;

use App\Http\Middleware\CompareSignature;
use App\Jobs\CheckSessionHealthJob;
use App\Models\CampaignMessage;
use App\Models\WaSession;
use App\Services\OpenWaService;
use Illuminate\Http\Request;
use Illuminate\Support\Facades\Artisan;
use Illuminate\Support\Facades\Log;
use Illuminate\Support\Facades\Route;
use Illuminate\Support\ServiceProvider;

// A class around the guide's route and its handlers: they call each other by `$this`, and are private.
class OpenWaServiceProvider extends ServiceProvider
{
    public function boot(): void
    {
        Route::middleware(CompareSignature::class)->group(fn () => $this->guideRoute());
        Route::prefix('in-a-file')->group(base_path('routes/api.php'));
        $this->pagesForTests();
        Artisan::command('guide:health', function () {
            CheckSessionHealthJob::dispatch();
        });
        $campaign = fn (string $session) => $this->campaign($session); // a command's own `$this` is the command
        Artisan::command('guide:campaign {session}', function (string $session) use ($campaign) {
            $campaign($session);
        });
    }

    // From here on as the guide has it, up to the next comment that begins a line.
    private function guideRoute(): void
    {
Route::post('/webhooks/openwa', function (Request $request) {
    // Verify signature: hash_hmac('sha256', $request->getContent(), config('openwa.webhook_secret'))
    $event = $request->json()->all();
    Log::info('OpenWA webhook', $event);

    match ($event['event']) {
        'session.connected' => $this->handleSessionConnected($event),
        'session.banned' => $this->handleSessionBanned($event),
        'message.delivered' => $this->handleMessageDelivered($event),
        default => logger()->debug('Unhandled webhook', $event),
    };

    return response()->json(['status' => 'ok']);
});
    }

private function handleSessionConnected(array $event): void {
    $sessionId = $event['session_id']; // matches our wa_sessions.session_id
    WaSession::where('session_id', $sessionId)->update([
        'status' => 'connected',
        'phone_number' => $event['phone_number'] ?? null,
        'last_connected_at' => now(),
    ]);
}

private function handleSessionBanned(array $event): void {
    WaSession::where('session_id', $event['session_id'])->update([
        'status' => 'banned',
        'ban_reason' => $event['reason'] ?? null,
    ]);
    // Notify user via email: "Your WhatsApp number was banned. Please replace."
}

private function handleMessageDelivered(array $event): void {
    $msgId = $event['message_id']; // what WhatsApp returned
    CampaignMessage::where('whatsapp_message_id', $msgId)
        ->update(['delivered_at' => now(), 'status' => 'delivered']);
}

    // Ours again: what calls the guide's classes in the tests.
    private function pagesForTests(): void
    {
        Route::post('/send-text', fn (Request $request, OpenWaService $openWa) => response()->json(
            $openWa->sendText($request->input('session'), $request->input('to'), $request->input('text')),
        ));
        Route::post('/send-image', fn (Request $request, OpenWaService $openWa) => response()->json(
            $openWa->sendImage($request->input('session'), $request->input('to'), $request->input('caption'), $request->input('url')),
        ));
    }

    /** The loop that the guide describes: the gap is its own line. */
    private function campaign(string $session): void
    {
        foreach (CampaignMessage::where('status', 'pending')->get() as $message) {
            $answer = app(OpenWaService::class)->sendText($session, $message->to, $message->text);
            $message->update(['whatsapp_message_id' => $answer['messageId'], 'status' => $answer['status']]);
            usleep(rand(1200000, 1800000));
        }
    }
}
