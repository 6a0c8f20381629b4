<?php

declare(strict_types=1);

namespace OpenWaManager\Laravel\Client;

use GuzzleHttp\Exception\GuzzleException;
use Illuminate\Http\Client\ConnectionException;
use Illuminate\Http\Client\Factory;
use OpenWaManager\Laravel\Exceptions\OpenWaException;
use SensitiveParameter;

/** Asks the manager by HTTP, with the app's key. */
final class HttpTransport implements Transport
{
    public function __construct(private Factory $http, private string $baseUrl, #[SensitiveParameter] private ?string $apiKey)
    {
    }

    public function ask(Call $call): Answer
    {
        $headers = ['X-API-Key' => (string) $this->apiKey] + ($call->key === null ? [] : ['Idempotency-Key' => $call->key]);
        $request = $this->http->baseUrl($this->baseUrl)->withHeaders($headers)->acceptJson()->timeout($call->timeoutS)
            ->withoutRedirecting(); // a POST would become a GET, and the key go to another host
        try {
            $answer = $request->send($call->method, $call->path, $call->body === null ? [] : ['json' => $call->body]);
        } catch (ConnectionException|GuzzleException $trouble) { // the latter: a line that broke within the answer
            throw OpenWaException::ofSilence($trouble, $call->isRepeatable);
        }
        if ($answer->successful() || in_array($answer->status(), $call->accepted, true)) {
            return new Answer($answer->status(), $answer->body());
        }
        throw OpenWaException::of($answer, $call->isRepeatable);
    }
}
