<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Facades;

use Illuminate\Support\Facades\Facade;
use OpenWaManager\Laravel\Client\Transport;
use OpenWaManager\Laravel\OpenWa as Root;
use OpenWaManager\Laravel\Testing\FakeOpenWa;
use OpenWaManager\Laravel\Testing\FakeTransport;

/**
 * @method static \OpenWaManager\Laravel\Session session(?string $id = null)
 * @method static \OpenWaManager\Laravel\Services\OpenWaService service()
 * @method static void macro(string $name, object|callable $macro)
 * @method static void assertSent(callable|string|null $isIt = null, ?int $times = null)
 * @method static void assertNotSent(callable|string|null $isIt = null)
 * @method static void assertSentCount(int $count)
 * @method static void assertNothingSent()
 * @method static list<\OpenWaManager\Laravel\Testing\SentMessage> sent(callable|string|null $isIt = null)
 *
 * @see Root
 */
final class OpenWa extends Facade
{
    /** From now on nothing leaves this process: messages are kept for `assertSent` and the like, whoever sends them. */
    public static function fake(): FakeOpenWa
    {
        $app = self::getFacadeApplication();
        $transport = new FakeTransport;
        $app->instance(Transport::class, $transport);
        self::swap($fake = new FakeOpenWa($app, $transport));

        return $fake;
    }

    protected static function getFacadeAccessor(): string
    {
        return Root::class;
    }
}
