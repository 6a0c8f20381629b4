<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel;

use DateTimeInterface;
use DateTimeZone;
use Illuminate\Support\Traits\Conditionable;
use Illuminate\Support\Traits\Macroable;

/**
 * What is to be sent: `OpenWaMessage::text('Hello')`, `OpenWaMessage::image($url, 'Look')->fallback('See our page')`.
 *
 * A file is named by an address that the manager can read; it fetches it once.
 */
final class OpenWaMessage
{
    use Conditionable, Macroable;

    private ?string $session = null;

    /** @param  array<string, string>  $content  fields of the manager's API */
    private function __construct(private array $content)
    {
    }

    public static function text(string $text): self
    {
        return new self(['text' => $text]);
    }

    public static function image(string $url, ?string $caption = null): self
    {
        return self::file('image', $url, $caption);
    }

    public static function video(string $url, ?string $caption = null): self
    {
        return self::file('video', $url, $caption);
    }

    public static function audio(string $url): self
    {
        return self::file('audio', $url, null);
    }

    public static function document(string $url, ?string $filename = null, ?string $caption = null): self
    {
        $made = self::file('document', $url, $caption);

        return $filename === null ? $made : $made->with('filename', $filename);
    }

    /** The session that sends it; without one `OPENWA_SESSION` does. */
    public function from(string $sessionId): self
    {
        $made = clone $this;
        $made->session = $sessionId;

        return $made;
    }

    /** A name of your own, once per session: a second message with the same one and the same content is not sent. */
    public function reference(string $reference): self
    {
        return $this->with('reference', $reference);
    }

    /** The text that goes where the file cannot be fetched. */
    public function fallback(string $text): self
    {
        return $this->with('fallback_text', $text);
    }

    public function sendAfter(DateTimeInterface $moment): self
    {
        return $this->with('send_after', self::utc($moment));
    }

    /** Never send it after this moment. */
    public function expiresAt(DateTimeInterface $moment): self
    {
        return $this->with('expires_at', self::utc($moment));
    }

    /** Let others go first, as those of batches do. */
    public function lowPriority(): self
    {
        return $this->with('priority', 'low');
    }

    public function sessionId(): ?string
    {
        return $this->session;
    }

    /** @return array<string, string> the body of the manager's API, without `to` */
    public function toArray(): array
    {
        return $this->content;
    }

    private static function file(string $kind, string $url, ?string $caption): self
    {
        return new self(["{$kind}_url" => $url] + ($caption === null ? [] : ['caption' => $caption]));
    }

    private static function utc(DateTimeInterface $moment): string
    {
        return \DateTimeImmutable::createFromInterface($moment)->setTimezone(new DateTimeZone('UTC'))->format('Y-m-d\TH:i:s.v\Z');
    }

    private function with(string $name, string $value): self
    {
        $made = clone $this;
        $made->content[$name] = $value;

        return $made;
    }
}
