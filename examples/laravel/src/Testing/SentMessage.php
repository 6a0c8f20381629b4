<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Testing;

/** One message that would have been sent. `text` is the text or the caption, its variables filled in. */
final class SentMessage
{
    /** @param  array<string, mixed>  $body  what would have been handed over */
    public function __construct(
        public string $sessionId,
        public string $to,
        public string $kind,
        public ?string $text,
        public ?string $url,
        public ?string $reference,
        public array $body,
    ) {
    }

    /** @param  array<string, mixed>  $body */
    public static function of(string $sessionId, array $body): self
    {
        $kind = 'text';
        foreach (['image', 'video', 'audio', 'document'] as $each) {
            $kind = isset($body["{$each}_url"]) ? $each : $kind;
        }
        $text = $body['text'] ?? $body['caption'] ?? null;
        foreach ((array) ($body['variables'] ?? []) as $name => $value) {
            $text = $text === null ? null : str_replace('{{'.$name.'}}', (string) $value, $text);
        }

        return new self($sessionId, (string) $body['to'], $kind, $text, $body["{$kind}_url"] ?? null, $body['reference'] ?? null, $body);
    }
}
