<?php

namespace Tests\Concerns;

use Illuminate\Support\Facades\Http;

/**
 * For tests that send through OpenWA: each begins with an empty mock, and can see what WhatsApp really got.
 *
 * `openwa-manager mock` must be what OPENWA_BASE_URL names. Any other OpenWA has no `/_mock`, so a test against it
 * fails here, before it sends anything to anybody.
 */
trait UsesOpenWaMock
{
    protected function setUp(): void
    {
        parent::setUp();
        $answer = $this->openWaMock()->post('/_mock/reset');
        $this->assertTrue($answer->ok(), 'OPENWA_BASE_URL is no mock: start `openwa-manager mock`');
    }

    /** Return the id of a session whose phone is linked. */
    protected function linkedSession(string $id = 'user_1_session_test'): string
    {
        $session = $this->openWaMock()->post('/v1/sessions', [
            'session_id' => $id,
            'wait_for' => 'connected',
            'timeout_s' => 30,
        ]);
        $this->assertSame('connected', $session->json('status'), $session->body());

        return $id;
    }

    /** Have something happen: 'ban', 'disconnect', 'fail' with ['mode' => '500'], 'receive' with ['from' => …]. */
    protected function openWaControl(string $session, string $verb, array $values = []): void
    {
        $answer = $this->openWaMock()->post("/_mock/sessions/{$session}/{$verb}", $values);
        $this->assertTrue($answer->ok(), $answer->body());
    }

    /** Return the texts that WhatsApp got for a number, in order. */
    protected function whatsAppGot(string $to): array
    {
        return array_column($this->openWaMock()->get('/_mock/messages', ['to' => $to])->json('messages'), 'text');
    }

    private function openWaMock()
    {
        return Http::baseUrl(env('OPENWA_BASE_URL', 'http://127.0.0.1:2785'))
            ->withHeaders(['X-API-Key' => env('OPENWA_API_KEY', 'mock-key')])
            ->asJson()
            ->timeout(60);
    }
}
