<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Testing;

use Illuminate\Contracts\Container\Container;
use OpenWaManager\Laravel\Exceptions\OpenWaException;
use OpenWaManager\Laravel\OpenWa;
use PHPUnit\Framework\Assert;

/** What `OpenWa::fake()` puts in the facade's place. A string stands for the number that a message is for. */
final class FakeOpenWa extends OpenWa
{
    public function __construct(Container $app, private FakeTransport $transport)
    {
        parent::__construct($app);
    }

    /** Let every call from now on throw this; null: none. */
    public function failWith(?OpenWaException $failure): self
    {
        $this->transport->failure = $failure;

        return $this;
    }

    /**
     * The messages that were handed over, in order, by whomever: the facade, notifications, campaigns, `sendText`.
     *
     * @param  (callable(SentMessage): bool)|string|null  $isIt
     * @return list<SentMessage>
     */
    public function sent(callable|string|null $isIt = null): array
    {
        $is = is_string($isIt) ? fn (SentMessage $message) => $message->to === $isIt : ($isIt ?? fn () => true);

        return array_values(array_filter($this->transport->sent, $is));
    }

    /** @param  (callable(SentMessage): bool)|string|null  $isIt */
    public function assertSent(callable|string|null $isIt = null, ?int $times = null): void
    {
        $count = count($this->sent($isIt));
        if ($times === null) {
            Assert::assertGreaterThan(0, $count, 'No such message was sent. Sent: '.$this->shown());
        } else {
            Assert::assertSame($times, $count, "Such a message was sent $count times, not $times. Sent: ".$this->shown());
        }
    }

    /** @param  (callable(SentMessage): bool)|string|null  $isIt */
    public function assertNotSent(callable|string|null $isIt = null): void
    {
        Assert::assertSame([], $this->sent($isIt), 'Such a message was sent: '.$this->shown());
    }

    public function assertSentCount(int $count): void
    {
        Assert::assertCount($count, $this->transport->sent, 'Sent: '.$this->shown());
    }

    public function assertNothingSent(): void
    {
        Assert::assertSame([], $this->transport->sent, 'Sent: '.$this->shown());
    }

    private function shown(): string
    {
        $each = fn (SentMessage $message) => "$message->kind to $message->to: ".($message->text ?? $message->url);

        return implode('; ', array_map($each, $this->transport->sent)) ?: 'nothing';
    }
}
