<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Client;

/** What a call was answered. */
final class Answer
{
    public function __construct(public int $status, public string $text)
    {
    }

    /** @return array<string, mixed> */
    public function json(): array
    {
        return (array) json_decode($this->text, true);
    }
}
