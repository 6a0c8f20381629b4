<?php

namespace Tests\Feature;

use App\Exceptions\OpenWaException;
use App\Services\OpenWaService;
use Tests\Concerns\UsesOpenWaMock;
use Tests\TestCase;

class WhatsAppTest extends TestCase
{
    use UsesOpenWaMock;

    public function test_a_message_reaches_whatsapp(): void
    {
        $answer = app(OpenWaService::class)->sendText($this->linkedSession(), '+85212345678', 'Hello');

        $this->assertSame('queued', $answer['status']);
        $this->assertSame(['Hello'], $this->whatsAppGot('+85212345678'));
    }

    /** The last four digits of a number decide what becomes of it: 0002 has blocked us. */
    public function test_a_number_that_blocked_us_is_an_error(): void
    {
        $session = $this->linkedSession();

        $this->expectException(OpenWaException::class);
        $this->expectExceptionMessage('Number blocked');

        app(OpenWaService::class)->sendText($session, '+85212340002', 'Hello');
    }

    public function test_an_engine_that_fails_once_is_tried_again_by_nobody(): void
    {
        $session = $this->linkedSession();
        $this->openWaControl($session, 'fail', ['mode' => '500']);

        try {
            app(OpenWaService::class)->sendText($session, '+85212345678', 'Hello');
            $this->fail('the failure is hidden');
        } catch (OpenWaException) {
            $this->assertSame([], $this->whatsAppGot('+85212345678'));
        }
    }
}
